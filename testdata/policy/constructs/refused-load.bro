@ifdef ( SSL::Info )
@load protocols/ssl/weak-keys
@load frameworks/communication/listen
@endif
