// Package zeektest has the tests of a real Zeek: the library and the collector send
// to it, and its package (zeek/) runs in it. "make test-zeek" runs them against the
// program that ROMANESCO_ZEEK names.
package zeektest
