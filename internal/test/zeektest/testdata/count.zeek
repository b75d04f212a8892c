##! Handles the events of the test, and writes which ones to a file that outlives Zeek.

global soak: event(run: count, n: count);

## How long a handler is busy.
const busy = 0 sec &redef;

global handled = open_for_append("handled");

event zeek_init()
	{
	set_buf(handled, F);
	}

event soak(run: count, n: count)
	{
	local done = current_time() + busy;
	while ( current_time() < done )
		;
	print handled, fmt("%d %d", run, n);
	}
