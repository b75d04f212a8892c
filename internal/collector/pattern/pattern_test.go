package pattern

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMatchesAsBroDoes(t *testing.T) {
	for _, c := range []struct{ text, yes, no string }{
		{`sensor_sshd.*`, "sensor_sshd sensor_sshd_exec", "xsensor_sshd sensor_ssh"},
		{`.*`, "a sensor_sshd Foo::bar", ""},
		{`ftp_*`, "ftp ftp_ ftp__", "ftp_reply"},
		{`ftp_(reply|request)`, "ftp_reply ftp_request", "ftp_ ftp_replyrequest"},
		{`^a$`, "a", "aa"},
		{`a^b`, "", "ab a^b"},
		{`^^a`, "", "a"}, // the second one would have to stand before a first
		{`^*a`, "a", "ba"},
		{`"a.b"`, "a.b", "axb"},
		{`"ab"*c`, "c abc ababc", "abbc"},
		{`"a\"b"`, `a"b`, "ab"},
		{`a\.b`, "a.b", "axb"},
		{`\x41\102`, "AB", "x41"},
		{`a{2,3}`, "aa aaa", "a aaaa"},
		{`a{2}b{2,}`, "aabb aabbbb", "ab aab"},
		{`(ab){0}c`, "c", "abc"},
		{`a+b?`, "a ab aab", "b abb"},
		{`a?*b`, "b aaab", "ca"},
		{`[]a]b`, "]b ab", "b"},
		{`[^]a]b`, "xb ^b", "]b ab"},
		{`[^-a]b`, "xb", "-b ab"},
		{`[-a]b`, "-b ab", "xb"},
		{`[a-]b`, "-b ab", "xb"},
		{`[a-c_]+`, "abc_", "abd"},
		{`[[:alpha:]_]+[[:digit:]]`, "ab_1", "ab_ 11"},
		{`[[:UPPER:]]`, "A", "a"},
		{`[\]x]`, "] x", `\`},
		{`(|a)b`, "b ab", "aab"},
		{`|a`, "a", "b"},
		{`()a`, "a", ""},
		{`a,b`, "a,b", "ab"},
		{`\xff`, "\xff", "\xfe ÿ"},
		{`[\x80-\xff]`, "\x80 \xff", "\x7f"},
		{`\e`, "e", "\x1b"},
	} {
		p, err := Compile(c.text)
		require.NoError(t, err, c.text)
		for name := range strings.FieldsSeq(c.yes) {
			require.True(t, p.Match(name), "%s %q", p, name)
		}
		for name := range strings.FieldsSeq(c.no) {
			require.False(t, p.Match(name), "%s %q", p, name)
		}
	}
}

func TestBytesThatAreNotForAnyone(t *testing.T) {
	dot, err := Compile(`.`)
	require.NoError(t, err)
	require.False(t, dot.Match("\n"))
	require.False(t, dot.Match(""))
	require.False(t, dot.Match(begin), "the symbols are no bytes that a name could have")
	not, err := Compile(`[^a]`)
	require.NoError(t, err)
	require.True(t, not.Match("\n"))
	require.False(t, not.Match(""))
}

func TestErrorsSayWhere(t *testing.T) {
	for text, want := range map[string]struct {
		offset int
		msg    string
	}{
		`*a`:                           {0, "nothing before it to repeat"},
		`a|`:                           {2, "missing behind |"},
		`a||b`:                         {2, "missing behind |"},
		`a|*`:                          {2, "nothing before"},
		`(a`:                           {0, "not closed"},
		`a)`:                           {1, "closes none"},
		`ab[c`:                         {2, "no ]"},
		`ab[]`:                         {2, "no ]"},
		`a"b`:                          {1, "not closed"},
		`a{2`:                          {1, "no }"},
		`a{x}`:                         {1, "number of repetitions"},
		`a{3,2}`:                       {1, "larger"},
		`a{1001}`:                      {1, "at most 1000"},
		`a}`:                           {1, "has no {"},
		`[z-a]`:                        {1, "larger"},
		`[a-c-e]`:                      {4, "no character before"},
		`[[:word:]]`:                   {1, "expected one of"},
		`a\`:                           {1, "at the end"},
		`\xg`:                          {0, "hexadecimal"},
		`\400`:                         {0, "377"},
		`a\d`:                          {1, "[[:digit:]]"},
		`(?i:a)`:                       {1, "nothing before"},
		"a\nb":                         {1, "line end"},
		strings.Repeat("(", 201):       {200, "deeper"},
		"a" + strings.Repeat("*", 300): {201, "repetitions of repetitions"},
		strings.Repeat("a", 40<<10):    {maxText, "at most"},
		`((a{1000}){1000}){1000}`:      {10, "too large"},
		`"0123456789"{1000}{9}`:        {18, "too large"},
	} {
		_, err := Compile(text)
		var e *Error
		require.True(t, errors.As(err, &e), "%.40q: %v", text, err)
		require.Equal(t, want.offset, e.Offset, "%.40q: %v", text, err)
		require.ErrorContains(t, err, want.msg)
	}
}

func TestLiteral(t *testing.T) {
	for _, name := range []string{"a", "A::b_c", `odd "one" \`, "x.*", "", "two\nlines"} {
		p := Literal(name)
		require.True(t, p.Match(name), name)
		require.False(t, p.Match(name+"x"))
	}
}

func TestOr(t *testing.T) {
	a, err := Compile("a|b")
	require.NoError(t, err)
	p, err := Or(a, Literal("c"))
	require.NoError(t, err)
	for _, name := range []string{"a", "b", "c"} {
		require.True(t, p.Match(name))
	}
	require.False(t, p.Match("ac"))
}

func TestGlob(t *testing.T) {
	for text, is := range map[string]bool{
		"ftp_*": true, "ftp_*_x*": true, "Foo::*": true,
		"ftp_.*": false, "*": false, "ftp": false, "(ftp_*)": false, "[a]*": false, `"ftp"*`: false,
	} {
		p, err := Compile(text)
		if text == "*" {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		g, ok := p.FromGlob()
		require.Equal(t, is, ok, text)
		if text == "ftp_*" {
			require.True(t, g.Match("ftp_reply"))
			require.Equal(t, "/ftp_.*/", g.String())
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, text := range []string{`sensor_sshd.*`, `a{2,3}|(b"c"[^]x-z[:alpha:]])+$`, `^\x41\102\.`, `[a`, `((`, `|`} {
		f.Add(text, "sensor_sshd_exec")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		p, err := Compile(text)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(text) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		p.Match(name)
		if q, err := Or(p, Literal(name)); err == nil && !q.Match(name) {
			t.Fatalf("%s does not match %q", q, name)
		}
	})
}

// TestLikeBro compares with what Bro 2.5.5 has been asked.
func TestLikeBro(t *testing.T) {
	f, err := os.Open("testdata/bro-2.5.5.txt")
	require.NoError(t, err)
	defer f.Close()
	var names []string
	compared := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "#"):
			continue
		case names == nil:
			require.NoError(t, json.Unmarshal([]byte(line), &names))
			continue
		}
		answers, text, _ := strings.Cut(line, " ")
		require.Len(t, answers, len(names))
		p, err := Compile(text)
		require.NoError(t, err, text)
		for i, name := range names {
			assert.Equal(t, answers[i] == 'T', p.Match(name), "%s %q", p, name)
			compared++
		}
	}
	require.Greater(t, compared, 20_000)
}
