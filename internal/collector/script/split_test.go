package script

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// splitAll returns the statements of a text.
func splitAll(f *File, truth Truth) ([]Statement, error) {
	s := f.Split(Asked{
		Condition: func(Condition) (Truth, error) { return truth, nil },
		Other:     func(int, int) error { return nil },
		See:       func(Token) {},
	})
	var all []Statement
	for {
		st, err := s.Next()
		if err != nil || st.What == Nothing {
			return all, err
		}
		all = append(all, st)
	}
}

// wrong are public scripts that no Bro reads, as they are or under each condition.
var wrong = map[string]string{
	"PSA/modules/CertValidation.bro": `65:1: expected a ")" for the "(" of line 62, found "}"`,
	"bro-yanc/sample_script.bro":     "14:2: there is no such directive in Bro's scripts",
	"host_core/systems_data.bro":     `52:1: expected ";" at the end of the type of line 10`,
	"btest/language/at-if-event.bro": `52:1: expected ";" at the end of the lalala`, // where 1==0
}

func isWrong(path string, err error) bool {
	for suffix, why := range wrong {
		if strings.HasSuffix(path, suffix) && err != nil && strings.Contains(err.Error(), why) {
			return true
		}
	}
	return false
}

// TestPublicScriptsAreSplit, those of Bro itself and others, where a folder has them.
func TestPublicScriptsAreSplit(t *testing.T) {
	root := os.Getenv("ROMANESCO_POLICIES")
	if root == "" {
		t.Skip("ROMANESCO_POLICIES names no folder of scripts")
	}
	files := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".bro" {
			return err
		}
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		files++
		for _, truth := range []Truth{True, False, Unknown} {
			f := NewFile(path, string(b))
			all, err := splitAll(f, truth)
			if !isWrong(path, err) && assert.NoError(t, err) {
				assert.NoError(t, parseAll(f, all))
			}
		}
		return nil
	}))
	t.Logf("%d files", files)
}

// parseAll parses the bodies of functions, and first values.
func parseAll(f *File, all []Statement) error {
	for _, st := range all {
		switch {
		case st.Body > 0:
			p, err := f.Parse(st.Body, st.To)
			if err == nil {
				_, err = p.Statements()
			}
			if err != nil {
				return err
			}
		case st.What == Const || st.What == Global || st.What == Redef:
			p, err := f.Parse(st.Name.End(), st.To)
			if err == nil {
				_, _, err = p.Initial()
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
