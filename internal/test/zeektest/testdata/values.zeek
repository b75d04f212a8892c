##! What a real Zeek has to know for the tests that ROMANESCO_ZEEK runs with it, beside
##! a script that listens for WebSocket clients: since 7.2 a Zeek drops events that
##! it has no declaration of.

type B: record { c: string; };
type R: record { a: count; b: B; };

event echo(b: bool, i: int, c: count, d: double, t: time, exact: interval, v: interval, s: string, e: string, l: string,
	p: port, a: addr, n: subnet, re: pattern, r: R, vec: vector of count, set1: set[string],
	set2: set[count, string], t1: table[string] of count, t2: table[count, string] of R) { }
event echoed(b: bool, i: int, c: count, d: double, t: time, exact: interval, v: interval, s: string, e: string, l: string,
	p: port, a: addr, n: subnet, re: pattern, r: R, vec: vector of count, set1: set[string],
	set2: set[count, string], t1: table[string] of count, t2: table[count, string] of R) { }

# Of any kind: it is sent on as it came.
event recorded(number: count, value: any) { }
