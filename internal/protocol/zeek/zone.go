package zeek

import (
	"fmt"
	"time"
)

// LoadZone returns a time zone by its name, such as America/New_York, as the files
// of the system have it; nil for "".
func LoadZone(name string) (*time.Location, error) {
	if name == "" {
		return nil, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("time zone of Zeek: %w: it has to be a name within /usr/share/zoneinfo, such as America/New_York; "+
			"if that folder is missing, install the package tzdata", err)
	}
	return zone, nil
}
