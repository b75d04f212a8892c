//go:build race

package server

// underRace says that the race detector takes memory besides.
const underRace = true
