# To prevent requesting sshd events from any peering Bro that connects,
# here is a list of our sshds. List the IP addresses of the hosts your
# sshds are running on here:
#
redef Remote::destinations += {
        ["sshd1"] = [$host = 10.11.12.13, $events = /sensor_sshd.*/, $connect=F, $ssl=T],
};
