@load listen-clear.bro
