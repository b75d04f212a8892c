package policy

import (
	"strings"

	"romanesco/internal/collector/script"
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
	return all
}()

func lastOf(name string) string { return name[strings.LastIndexByte(name, ':')+1:] }

// suspicious reports whether a token may be a name that concerns us.
func suspicious(t script.Token) bool {
	return t.Kind == script.Name && last[lastOf(t.Text)]
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
			return nil, f.Fail(from, "a statement that concerns communication has more than %d tokens", maxTokens)
		}
	}
}

const maxTokens = 1_000_000

// changes returns where tokens change communication, and how. what they only read does
// not count.
func (e *env) changes(all []script.Token, module string) (at int, why string, ok bool) {
	aliases := map[string]bool{}
	for i, t := range all {
		if t.Kind != script.Name || i > 0 && (all[i-1].Is("$") || all[i-1].Is("?$")) {
			continue
		}
		if aliases[t.Text] && i+3 < len(all) && all[i+1].Is("$") && assigns(all[i+3]) {
			return t.At, "changes a destination", true
		}
		if !suspicious(t) {
			continue
		}
		full := e.resolve(t.Text, module)
		how, acts := acting[full]
		called := i+1 < len(all) && all[i+1].Is("(")
		_, ours := settings[full]
		switch {
		case acts && called && !(i > 0 && (all[i-1].Says("event") || all[i-1].Says("function"))):
			return t.At, how, true
		case isTable(full):
			if written(all, i) {
				return t.At, "changes " + full, true
			}
			if i > 1 && all[i-1].Is("=") && all[i-2].Kind == script.Name {
				aliases[all[i-2].Text] = true
			}
		case ours && i+1 < len(all) && assigns(all[i+1]):
			return t.At, "sets " + full, true
		}
	}
	return 0, "", false
}

func assigns(t script.Token) bool { return t.Is("=") || t.Is("+=") || t.Is("-=") }

// written reports whether the table at i is changed there: T[x] = , T[x]$f = , T = ,
// add T[x], delete T[x], or f(T), except in a loop over it.
func written(all []script.Token, i int) bool {
	if i > 0 && (all[i-1].Says("delete") || all[i-1].Says("add")) {
		return true
	}
	if i > 1 && all[i-1].Is("(") && all[i-2].Kind == script.Name && !all[i-2].Says("for") && !all[i-2].Says("if") {
		return true
	}
	for i++; i < len(all); i++ {
		switch {
		case assigns(all[i]):
			return true
		case all[i].Is("["):
			i = behind(all, i)
		case all[i].Is("$"):
			i++
		default:
			return false
		}
	}
	return false
}

// behind returns the index of the bracket that closes the one at i.
func behind(all []script.Token, i int) int {
	for depth := 0; i < len(all); i++ {
		switch {
		case all[i].Is("["), all[i].Is("("), all[i].Is("{"):
			depth++
		case all[i].Is("]"), all[i].Is(")"), all[i].Is("}"):
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return i
}

// calls returns the functions of files that tokens name.
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
