@load listen-ssl.bro

redef Remote::destinations += {
     ["host_10"] = [$host = 10.10.10.10, $events = /.*/, $connect=T, $retry = 10 secs, $ssl=T],
};

const default_port_ssl = 47756/tcp &redef;
const default_port_clear = 47757/tcp &redef;

redef ssl_ca_certificate = "/bro/etc/ca_cert.pem";
redef ssl_private_key = "/bro/etc/bro.pem";
redef ssl_passphrase = "my d0g has Fl33z";

const listen_if_clear = 0.0.0.0 &redef;
