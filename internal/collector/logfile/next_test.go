package logfile

import (
	"testing"
	"time"

	_ "time/tzdata"

	"github.com/stretchr/testify/require"
)

// TestNext: logs are rotated when the clock shows a multiple of the interval
// since midnight, also on the days when it is changed.
func TestNext(t *testing.T) {
	const form = "2006-01-02 15:04 -0700"
	for _, c := range []struct {
		zone, from string
		interval   time.Duration
		want       []string
	}{
		{"UTC", "2026-11-25 07:06 +0000", time.Hour, []string{"2026-11-25 08:00 +0000", "2026-11-25 09:00 +0000"}},
		{"UTC", "2026-11-25 07:06 +0000", 15 * time.Minute, []string{"2026-11-25 07:15 +0000"}},
		{"UTC", "2026-11-25 07:06 +0000", 24 * time.Hour, []string{"2026-11-26 00:00 +0000"}},
		{"UTC", "2026-11-25 21:30 +0000", 7 * time.Hour, []string{"2026-11-26 00:00 +0000", "2026-11-26 07:00 +0000"}},
		{"UTC", "1969-12-30 07:06 +0000", 48 * time.Hour, []string{"1970-01-01 00:00 +0000", "1970-01-03 00:00 +0000"}},

		// 2:00 becomes 3:00, and 3:00 becomes 2:00.
		{"Europe/Berlin", "2026-03-29 00:30 +0100", time.Hour, []string{"2026-03-29 01:00 +0100", "2026-03-29 03:00 +0200", "2026-03-29 04:00 +0200"}},
		{"Europe/Berlin", "2026-03-29 00:30 +0100", 2 * time.Hour, []string{"2026-03-29 03:00 +0200", "2026-03-29 04:00 +0200"}},
		{"Europe/Berlin", "2026-03-28 12:00 +0100", 24 * time.Hour, []string{"2026-03-29 00:00 +0100", "2026-03-30 00:00 +0200", "2026-03-31 00:00 +0200"}},
		{"Europe/Berlin", "2026-03-29 00:30 +0100", 6 * time.Hour, []string{"2026-03-29 06:00 +0200", "2026-03-29 12:00 +0200"}},
		{"Europe/Berlin", "2026-10-25 01:30 +0200", time.Hour, []string{"2026-10-25 02:00 +0200", "2026-10-25 02:00 +0100", "2026-10-25 03:00 +0100"}},
		{"Europe/Berlin", "2026-10-25 01:30 +0200", 6 * time.Hour, []string{"2026-10-25 06:00 +0100", "2026-10-25 12:00 +0100"}},
		{"Europe/Berlin", "2026-10-24 12:00 +0200", 24 * time.Hour, []string{"2026-10-25 00:00 +0200", "2026-10-26 00:00 +0100"}},

		// 0:00 becomes 1:00: there is no midnight, and the day begins all the same.
		// 24:00 becomes 23:00, and the day is not over yet.
		{"America/Sao_Paulo", "2018-11-03 12:00 -0300", 24 * time.Hour, []string{"2018-11-04 01:00 -0200", "2018-11-05 00:00 -0200"}},
		{"America/Sao_Paulo", "2018-11-03 23:30 -0300", time.Hour, []string{"2018-11-04 01:00 -0200", "2018-11-04 02:00 -0200"}},
		{"America/Sao_Paulo", "2018-02-17 12:00 -0200", 24 * time.Hour, []string{"2018-02-18 00:00 -0300", "2018-02-19 00:00 -0300"}},
		{"America/Sao_Paulo", "2018-02-17 22:30 -0200", time.Hour, []string{"2018-02-17 23:00 -0200", "2018-02-17 23:00 -0300", "2018-02-18 00:00 -0300"}},
		{"Asia/Beirut", "2026-03-28 12:00 +0200", 24 * time.Hour, []string{"2026-03-29 01:00 +0300", "2026-03-30 00:00 +0300"}},
		{"Asia/Beirut", "2026-10-24 12:00 +0300", 24 * time.Hour, []string{"2026-10-25 00:00 +0200", "2026-10-26 00:00 +0200"}},

		// Half an hour: 2:00 becomes 2:30, and 2:00 becomes 1:30.
		{"Australia/Lord_Howe", "2026-10-04 01:10 +1030", time.Hour, []string{"2026-10-04 02:30 +1100", "2026-10-04 03:00 +1100"}},
		{"Australia/Lord_Howe", "2026-10-04 01:10 +1030", 24 * time.Hour, []string{"2026-10-05 00:00 +1100"}},
		{"Australia/Lord_Howe", "2026-04-05 00:10 +1100", time.Hour, []string{"2026-04-05 01:00 +1100", "2026-04-05 02:00 +1030"}},
		{"Australia/Lord_Howe", "2026-04-05 01:10 +1100", 30 * time.Minute, []string{"2026-04-05 01:30 +1100", "2026-04-05 01:30 +1030", "2026-04-05 02:00 +1030"}},

		// A day that there was not, and one that was there twice.
		{"Pacific/Apia", "2011-12-29 12:00 -1000", 24 * time.Hour, []string{"2011-12-31 00:00 +1400", "2012-01-01 00:00 +1400"}},
		{"Pacific/Kwajalein", "1993-08-20 12:00 -1200", 24 * time.Hour, []string{"1993-08-22 00:00 +1200"}},
	} {
		zone, err := time.LoadLocation(c.zone)
		require.NoError(t, err)
		at, err := time.ParseInLocation(form, c.from, zone)
		require.NoError(t, err)
		for at, from := at.In(zone), 0; from < len(c.want); from++ {
			at = Next(at, c.interval)
			require.Equal(t, c.want[from], at.Format(form), "%s, %v from %s", c.zone, c.interval, c.from)
		}
	}
}

// TestNextIsAlwaysLater, and never by more than the interval and the hour that a
// clock is put back.
func TestNextIsAlwaysLater(t *testing.T) {
	for _, name := range []string{"UTC", "America/Sao_Paulo", "Asia/Beirut", "Australia/Lord_Howe", "Europe/Dublin", "Asia/Kathmandu"} {
		zone, err := time.LoadLocation(name)
		require.NoError(t, err)
		for _, interval := range []time.Duration{time.Second, 7 * time.Minute, time.Hour, 5 * time.Hour, 24 * time.Hour, 36 * time.Hour} {
			at := time.Date(2018, 2, 16, 0, 0, 0, 1, zone)
			for range 3000 {
				next := Next(at, interval)
				require.True(t, next.After(at))
				require.LessOrEqual(t, next.Sub(at), interval+time.Hour, "%v", at)
				at = next
			}
		}
	}
}
