##! Sends back what comes, for test_zeek.py, which has its declarations read by the library too.

module Site;

export {
	type Colour: enum { RED, GREEN, BLUE };
	type Inner: record { a: count; b: string &optional; c: addr; };
	global there: event(b: bool, i: int, c: count, d: double, t: time, v: interval, s: string, e: Colour, p: port,
		a: addr, n: subnet, r: Inner, vec: vector of count, set1: set[string], set2: set[count, string],
		t1: table[string] of addr);
	global back: event(b: bool, i: int, c: count, d: double, t: time, v: interval, s: string, e: Colour, p: port,
		a: addr, n: subnet, r: Inner, vec: vector of count, set1: set[string], set2: set[count, string],
		t1: table[string] of addr);
	global number: event(n: count);
}
