redef Remote::destinations += {
	["a"] = [$host=sensor.example.com],
};
