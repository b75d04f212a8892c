@if ( is_it_monday() )
redef Communication::listen_port = 1/tcp;
@endif
