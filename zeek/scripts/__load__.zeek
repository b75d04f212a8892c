@load ./events
@load ./log
@load ./sessions
@load ./notices
@load ./topic
