@load ./path/site
@load more
@load folder.bro
@unload never
@load never
@load base/protocols/http
@load policy/protocols/ssl/weak-keys
@load frameworks/communication/listen
@load http-request
@load-plugin Demo::Rot13
@load ../constructs/loading
redef ssl_private_key = @DIR + "/bro.pem";
