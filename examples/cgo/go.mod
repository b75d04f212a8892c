module ping

go 1.21
