@load ./beside
