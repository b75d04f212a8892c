@load site/no-such-file
