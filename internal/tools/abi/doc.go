// Package abi holds the tests that compare what Romanesco offers with the
// recorded interface of libbroccoli 5.1: the header, read by a C compiler's
// front end, and the symbols of the library that was built.
//
// It imports nothing of the project.
package abi
