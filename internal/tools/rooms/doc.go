// Package rooms checks that packages import what docs/architecture.md says, and
// nothing else.
package rooms
