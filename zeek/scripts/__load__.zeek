@load ./confirm
@load ./events
@load ./log
@load ./notices
@load ./sessions
@load ./topic
