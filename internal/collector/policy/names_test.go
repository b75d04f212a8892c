package policy

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNamesTellDestinationsApart, unless the first of them takes any name.
func TestNamesTellDestinationsApart(t *testing.T) {
	dest := func(first, second string) string {
		return `redef Remote::destinations += {
			["a"] = [$host=10.0.0.1, $ssl=T` + first + `], ["b"] = [$host=10.0.0.1, $ssl=T` + second + `] };`
	}
	for _, c := range []struct {
		first, second string
		apart         bool
	}{
		{`, $tls_names=/a/`, `, $tls_names=/b/`, true},
		{`, $tls_names=/a/`, ``, true},
		{`, $tls_names=/a/`, `, $tls_names=/a/`, false},
		{``, `, $tls_names=/b/`, false},
		{``, ``, false},
	} {
		p, err := parse(dest(c.first, c.second), nil)
		if c.apart {
			require.NoError(t, err)
			require.True(t, p.Destinations[0].TLSNames.Match("a"))
			continue
		}
		require.ErrorContains(t, err, "cannot be told apart")
	}
}
