package zeek

import "fmt"

// Path is where the API is served.
const Path = "/v1/messages/json"

// Subscription is the first message of a client: the prefixes of the topics
// that it wants to receive. It cannot be changed afterwards.
type Subscription []string

// AppendTo appends the message.
func (s Subscription) AppendTo(b []byte) []byte {
	b = append(b, '[')
	for i, topic := range s {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, topic, Dialect{})
	}
	return append(b, ']')
}

// Decode reads the message, with the limits of d.
func (s *Subscription) Decode(d *Decoder, b []byte) error {
	*s = (*s)[:0]
	d.begin(b)
	d.array(func() {
		if d.charge(); d.err == nil {
			*s = append(*s, string(d.text()))
		}
	})
	if err := d.finish(); err != nil {
		return fmt.Errorf("subscription: %w", err)
	}
	return nil
}

// Ack is the server's answer to a Subscription.
type Ack struct {
	Endpoint string // who it is
	Version  string // of Broker, or of Zeek
}

// AppendTo appends the message.
func (a *Ack) AppendTo(b []byte) []byte {
	b = appendText(append(b, `{"type":"ack","endpoint":`...), a.Endpoint, Dialect{})
	b = appendText(append(b, `,"version":`...), a.Version, Dialect{})
	return append(b, '}')
}

// Failure is what a server says of a message that it did not take. The
// connection goes on.
type Failure struct {
	Code    string // such as "deserialization_failed"
	Context string // which message it was, and why
}

// AppendTo appends the message.
func (f *Failure) AppendTo(b []byte) []byte {
	b = appendText(append(b, `{"type":"error","code":`...), f.Code, Dialect{})
	b = appendText(append(b, `,"context":`...), f.Context, Dialect{})
	return append(b, '}')
}

func (f *Failure) Error() string { return fmt.Sprintf("%s: %s", f.Code, f.Context) }
