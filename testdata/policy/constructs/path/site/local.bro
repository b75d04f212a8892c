@load frameworks/communication/listen
