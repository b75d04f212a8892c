@if ( 1 == "1" )
redef forward_remote_events = T;
@endif
