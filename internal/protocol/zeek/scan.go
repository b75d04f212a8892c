package zeek

import "fmt"

// What follows reads JSON as Zeek's writer makes it: numbers may be inf or
// nan, and strings may hold any byte. Each function returns at once after an
// error, with the position where it was.

func (d *Decoder) space() {
	for d.pos < len(d.in) {
		switch d.in[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

// peek returns the next byte that is no space, 0 at the end.
func (d *Decoder) peek() byte {
	d.space()
	if d.err != nil || d.pos >= len(d.in) {
		return 0
	}
	return d.in[d.pos]
}

// eat takes the byte c.
func (d *Decoder) eat(c byte) bool {
	if d.peek() != c {
		d.fail(fmt.Sprintf("%q is missing", c))
		return false
	}
	d.pos++
	return true
}

// list reads what stands between two brackets, item by item.
func (d *Decoder) list(open, shut byte, item func()) {
	if !d.eat(open) || !d.deeper() {
		return
	}
	defer func() { d.depth-- }()
	if d.peek() == shut {
		d.pos++
		return
	}
	item()
	d.rest(shut, item)
}

// deeper counts a bracket that has been opened.
func (d *Decoder) deeper() bool {
	if d.depth++; d.depth > d.limits.MaxDepth {
		d.failWith(fmt.Errorf("%w: deeper than %d", ErrLimit, d.limits.MaxDepth))
	}
	return d.err == nil
}

// rest reads the items behind the first, and the bracket that ends them.
func (d *Decoder) rest(shut byte, item func()) {
	for d.err == nil {
		switch d.peek() {
		case ',':
			d.pos++
			item()
		case shut:
			d.pos++
			return
		default:
			d.fail(fmt.Sprintf("%q is missing", shut))
		}
	}
}

func (d *Decoder) array(item func()) { d.list('[', ']', item) }

// object reads an object; member is to read the value of the key.
func (d *Decoder) object(member func(key []byte)) {
	d.list('{', '}', func() { d.member(member) })
}

func (d *Decoder) member(member func(key []byte)) {
	key := d.text()
	if d.eat(':') {
		member(key)
	}
}

// skip passes over one value of JSON.
func (d *Decoder) skip() {
	at := len(d.scratch)
	defer func() { d.scratch = d.scratch[:min(at, len(d.scratch))] }() // nobody has seen it
	switch d.peek() {
	case '{':
		d.object(func([]byte) { d.skip() })
	case '[':
		d.array(d.skip)
	case '"':
		d.text()
	default:
		d.word()
	}
}

// word reads what is neither string nor bracket: a number, true, null.
func (d *Decoder) word() []byte {
	d.space()
	start := d.pos
	for d.pos < len(d.in) && isWord(d.in[d.pos]) {
		d.pos++
	}
	if d.pos == start {
		d.fail("a value is missing")
	}
	return d.in[start:d.pos]
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '-' || c == '+' || c == '.'
}
