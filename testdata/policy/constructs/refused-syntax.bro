event x()
	{
	if ( y > 1 { print "a"; }
	}
redef Communication::listen_port = 1/tcp;
