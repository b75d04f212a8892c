@load remote.bro

# connect to ftp sensor and gather the following events:
#
# ftp_unexpected_conn_violation
# ftp_sensitive_file
# ftp_reply
# ftp_request
# ftp_unexpected_conn
# ftp_binary_response
# ftp_excessive_filename
#
redef Remote::destinations += {
        ["ftp-sensor"] = [$host = 10.11.12.14, $events = /ftp_*/, $connect=F, $ssl=T],
};
