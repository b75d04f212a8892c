// Package install holds the tests of an installed tree: "make install" into a
// temporary folder, and programs that are built and run with what is there.
// They also hold the manual pages against the sources.
//
// It imports nothing of the project.
package install
