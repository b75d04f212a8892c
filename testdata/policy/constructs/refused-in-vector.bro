const v = vector(vector(1, 2));
@if ( vector(1, 2) in v )
redef forward_remote_events = T;
@endif
