package policy

import (
	"strings"

	"github.com/romanesco-broccoli/romanesco/internal/collector/script"
)

// What a statement touches decides whether it concerns us: the tables of destinations,
// the settings, and these functions.

// acting are the functions of Bro's that connect, listen or ask for events, with what
// messages say of them.
var acting = map[string]string{
	"connect":                     "connects",
	"listen":                      "listens",
	"request_remote_events":       "asks for events",
	"Remote::connect_peer":        "connects",
	"Communication::connect_peer": "connects",
	"Remote::setup_peer":          "asks for events",
	"Communication::setup_peer":   "asks for events",
}

// concerns reports whether a full name is one of ours.
func concerns(full string) bool {
	_, ours := settings[full]
	return ours || acting[full] != "" || full == "enable_communication"
}

// last has the last component of each name that concerns us: others are not looked at.
var last = func() map[string]bool {
	all := map[string]bool{}
	for name := range settings {
		all[lastOf(name)] = true
	}
	for name := range acting {
		all[lastOf(name)] = true
	}
	all["Node"], all["Destination"] = true, true
	return all
}()

func lastOf(name string) string { return name[strings.LastIndexByte(name, ':')+1:] }

// suspicious reports whether a token may be a name that concerns us.
func suspicious(t script.Token) bool {
	return t.Kind == script.Name && (last[lastOf(t.Text)] || ofModule(t.Text))
}

// ofModule reports whether a name is in one of the two modules of communication.
func ofModule(name string) bool {
	return strings.HasPrefix(name, "Remote::") || strings.HasPrefix(name, "Communication::")
}

// tokensOf returns the tokens of a part of a file.
func tokensOf(f *script.File, from, to int) ([]script.Token, error) {
	var all []script.Token
	for l := f.Lex(from, to); ; {
		t, err := l.Next()
		if err != nil || t.Kind == script.End {
			return all, err
		}
		if all = append(all, t); len(all) > maxTokens {
			return nil, f.Fail(from, "a statement that concerns communication has more than %d words and signs", maxTokens)
		}
	}
}

const maxTokens = 500_000

// changes returns where tokens change communication, and how. What they only read does
// not count.
func (e *env) changes(all []script.Token, module string) (at int, why string, ok bool) {
	r := newRegion(all)
	aliases := map[string]bool{}
	mentions := false
	for i, t := range all {
		if !r.isName(i) {
			if mentions && r.setsField(i) {
				return t.At, "changes a field of a destination", true
			}
			continue
		}
		if aliases[t.Text] && !r.is(i+1, "=") && (r.written(i) != untouched || r.given(i)) {
			return t.At, "changes a destination", true
		}
		if !suspicious(t) {
			continue
		}
		full := e.resolve(t.Text, module)
		if why := e.change(r, i, full); why != "" {
			return t.At, why, true
		}
		if isTable(full) && i > 1 && all[i-1].Is("=") && all[i-2].Kind == script.Name {
			aliases[all[i-2].Text] = true
		}
		if isNodeType(full) {
			aliases[r.typed(i)] = true
		}
		mentions = mentions || isTable(full) || isNodeType(full)
	}
	return 0, "", false
}

// setsField reports whether at i a field of a destination is set, of whatever.
func (r *region) setsField(i int) bool {
	return i > 0 && r.all[i-1].Is("$") && i > 1 && !r.is(i-2, "[") && !r.is(i-2, ",") && !r.is(i-2, "(") &&
		fields[r.all[i].Text] != nil && i+1 < len(r.all) && assigns(r.all[i+1])
}

// typed returns the name that has the type at i, or a type of it.
func (r *region) typed(i int) string {
	for i--; i > 0; i-- {
		switch t := r.all[i]; {
		case t.Is(":") && r.all[i-1].Kind == script.Name:
			return r.all[i-1].Text
		case t.Kind == script.Name, t.Is("["), t.Is("]"):
		default:
			return ""
		}
	}
	return ""
}

// change says how the name at i changes communication, if it does.
func (e *env) change(r *region, i int, full string) string {
	how, acts := acting[full]
	_, ours := settings[full]
	called := r.is(i+1, "(")
	declared := i > 0 && (r.all[i-1].Says("event") || r.all[i-1].Says("function"))
	written := r.written(i) != untouched
	switch {
	case acts && called && !declared:
		return how
	case isTable(full) && (written || r.given(i)):
		return "changes " + full
	case ours && !isTable(full) && written:
		return "sets " + full
	case !ours && ofModule(full) && !isNodeType(full) && !e.has(full) && !called && written:
		return "changes " + full + ", which there is not,"
	}
	return ""
}

func assigns(t script.Token) bool { return t.Is("=") || t.Is("+=") || t.Is("-=") }

// given reports whether what is named at i is an argument of a function, by itself: it
// may change it.
func (r *region) given(i int) bool {
	o := r.open[i]
	if o < 1 || !r.is(o, "(") || !r.is(i-1, "(") && !r.is(i-1, ",") || !r.is(i+1, ")") && !r.is(i+1, ",") {
		return false
	}
	return r.all[o-1].Kind == script.Name && !harmless[r.all[o-1].Text]
}

// harmless are the words before a parenthesis that change nothing of what is in it.
var harmless = map[string]bool{
	"if": true, "while": true, "switch": true, "return": true, "print": true, "fmt": true, "cat": true, "length": true,
}

// names returns the functions of files that tokens name.
func (e *env) names(all []script.Token, module string) (functions []*function) {
	for i, t := range all {
		if t.Kind != script.Name || i > 0 && (all[i-1].Is("$") || all[i-1].Is("?$")) {
			continue
		}
		if f := e.functions[e.resolve(t.Text, module)]; f != nil {
			functions = append(functions, f)
		}
	}
	return functions
}
