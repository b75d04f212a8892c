// Package hosttest runs C programs against the built library, as its users
// would: each test compiles a program of testdata with the installed-looking
// tree that "make" leaves, and looks at the process from outside.
package hosttest
