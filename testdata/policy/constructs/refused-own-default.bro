type Config: record { on: bool &default=T; };
const config: Config = [] &redef;
event bro_init() { Communication::nodes["m"] = [$host=10.0.0.1, $connect=config?$on]; }
