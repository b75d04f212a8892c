// Package zeek turns events into the messages of Zeek's WebSocket API (JSON
// API v1, the chapter "Web Socket" of the Broker manual) and back. It knows no
// sockets: it appends to byte slices and reads from them, and imports nothing
// but package event.
//
// A connection begins with a Subscription of the client's, which the server
// answers with an Ack; then come data messages both ways, each an event on a
// topic, and Failures of the server's. These encode themselves with AppendTo
// and are told apart by a Decoder; events go through an Encoder and a Decoder,
// because they are many.
//
// What is written is what every Zeek since 5.0 reads; where these differ, a
// Dialect says how. What is read is not trusted: size, depth and the number of
// values are bounded (see Limits).
package zeek
