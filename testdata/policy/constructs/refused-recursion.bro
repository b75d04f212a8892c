function f(n: count): count { return f(n + 1); }
event bro_init() { Communication::nodes[fmt("%d", f(0))] = [$host=1.1.1.1]; }
