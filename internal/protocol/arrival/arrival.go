// Package arrival names what reading a connection can come to, for both protocols.
// It imports nothing.
package arrival

// Kind is what a step of reading has come to.
type Kind uint8

// The kinds.
const (
	// None is that of a step that has failed.
	None Kind = iota
	// Event is an event of the peer's.
	Event
	// Ping is the peer's question whether all that it has sent before has arrived. Who
	// reads makes that safe and answers with Pong.
	Ping
	// Drained says that nothing whole is left of what was read. The next step reads
	// more, and the peer may be silent for long: who gathers events lets go of them.
	Drained
)
