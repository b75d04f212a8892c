// Package wire turns the bytes of the Bro communication protocol (Bro 2.5,
// libbroccoli 5.1) into messages and events, and back. It knows no sockets and
// no C: it reads from an io.Reader and appends to byte slices, and it imports
// nothing but package event and the standard library.
//
// A stream is a sequence of chunks, a message one or two of them (see Reader
// and AppendMessage). Each message is a type that encodes itself with AppendTo
// and decodes its payload with Decode; events go through an Encoder and a
// Decoder, because they are many and because the peer may refer to objects
// that it sent earlier.
//
// What a peer sends is never trusted. Each length is compared with the bytes
// that are there, nesting and the number of elements are bounded (see Limits),
// and no memory is taken for what has only been announced.
package wire
