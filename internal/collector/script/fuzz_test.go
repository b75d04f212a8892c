package script

import (
	"errors"
	"strings"
	"testing"
)

// FuzzSplit: whatever a file has, statements follow each other, and errors are within it.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{
		"export { global a: table[count] of string &default=\"x\"; }\nevent e(a: count) &priority=-1 { print |a| / 2, /b/; }",
		"@if ( a )\nfunction f()\n@else\nfunction g()\n@endif\n\t{ if ( x ) y(); else for ( [i, j] in z ) break; }",
		"redef X += { [1.2.3.0/24, 80/tcp] = [$a=5 secs, $b=[::1], $c=function() { }] };",
		"when ( local x = f() ) { } timeout 5 sec { }\nswitch ( a ) { case 1, 2: fallthrough; default: break; }",
		"const a = 1.5e3msec; const b = x.example.com; const c = -0x1F; const d = ! x in y ? a : b[1:2];",
	} {
		f.Add(seed, uint8(2))
	}
	f.Fuzz(func(t *testing.T, text string, truth uint8) {
		file := NewFile("a.bro", text)
		all, err := splitAll(file, Truth(truth%3))
		end := 0
		for _, st := range all {
			if st.From < end || st.To < st.From || st.To > len(file.Text) {
				t.Fatalf("%+v behind %d", st, end)
			}
			end = st.To
		}
		if err == nil {
			err = parseAll(file, all)
		}
		var e *Error
		if err != nil && !errors.As(err, &e) {
			t.Fatal(err)
		}
		if e != nil && (e.Pos.Line < 1 || e.Pos.Line > strings.Count(text, "\n")+1 || e.Pos.Column < 1) {
			t.Fatal(e)
		}
	})
}
