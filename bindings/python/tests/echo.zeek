##! The other half of values.zeek: what Zeek does.

event Site::there(b: bool, i: int, c: count, d: double, t: time, v: interval, s: string, e: Site::Colour, p: port,
	a: addr, n: subnet, r: Site::Inner, vec: vector of count, set1: set[string], set2: set[count, string],
	t1: table[string] of addr)
	{
@ifdef ( Cluster::publish )
	Cluster::publish("broccoli/to-clients", Site::back, b, i, c, d, t, v, s, e, p, a, n, r, vec, set1, set2, t1);
@else
	Broker::publish("broccoli/to-clients", Site::back, b, i, c, d, t, v, s, e, p, a, n, r, vec, set1, set2, t1);
@endif
	}

event Site::number(n: count)
	{
@ifdef ( Cluster::publish )
	Cluster::publish("broccoli/to-clients", Site::number, n);
@else
	Broker::publish("broccoli/to-clients", Site::number, n);
@endif
	}
