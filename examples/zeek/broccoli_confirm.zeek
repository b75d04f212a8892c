##! Confirms to programs with libbroccoli, and to broccoli-collector, that their
##! events have been handled: behind each batch comes a mark, on the same topic,
##! and so through the same queues, and what stands before it has been handled
##! when it is. Load this where the events are handled:
##!
##!     zeek sshd_sensor.zeek broccoli_confirm.zeek
##!
##! and on the node that listens for WebSocket clients as well, if that is another
##! one: it must know the events.
##!
##! In a cluster, load it where it is to confirm on one node alone: the first one
##! that confirms is believed.

module BroccoliConfirm;

export {
	## What clients are answered on: this, and the client's own name.
	const topic_prefix = "broccoli/confirm/" &redef;

	## From a client that has just connected: is somebody there?
	global hello: event(client: string);
	## From a client, behind a batch of events. Marks are numbered from 1.
	global mark: event(client: string, number: count, batch: count);

	## The answer to hello.
	global here: event(client: string);
	## All events up to that batch have been handled.
	global confirmed: event(client: string, batch: count);
	## The mark of that number has not come: something was lost on the way. The
	## client connects anew, and sends again what is not confirmed.
	global missing: event(client: string, number: count);
}

# The mark that each client is expected to send next.
global expected: table[string] of count &default=0 &write_expire=1day;

@ifdef ( Cluster::publish )
function answer_here(client: string)
	{
	Cluster::publish(topic_prefix + client, here, client);
	}

function answer_confirmed(client: string, batch: count)
	{
	Cluster::publish(topic_prefix + client, confirmed, client, batch);
	}

function answer_missing(client: string, number: count)
	{
	Cluster::publish(topic_prefix + client, missing, client, number);
	}
@else
function answer_here(client: string)
	{
	Broker::publish(topic_prefix + client, here, client);
	}

function answer_confirmed(client: string, batch: count)
	{
	Broker::publish(topic_prefix + client, confirmed, client, batch);
	}

function answer_missing(client: string, number: count)
	{
	Broker::publish(topic_prefix + client, missing, client, number);
	}
@endif

event hello(client: string)
	{
	expected[client] = 1;
	answer_here(client);
	}

# After all other handlers of what came before it, and of nothing else: events are
# handled one after another.
event mark(client: string, number: count, batch: count)
	{
	if ( number != expected[client] )
		{
		answer_missing(client, expected[client]);
		return;
		}
	expected[client] = number + 1;
	answer_confirmed(client, batch);
	}
