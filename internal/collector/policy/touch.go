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
	aliases := map[string]bool{}
	for i, t := range all {
		if t.Kind != script.Name || i > 0 && (all[i-1].Is("$") || all[i-1].Is("?$")) {
			continue
		}
		if aliases[t.Text] && (i+1 == len(all) || !assigns(all[i+1])) && written(all, i) {
			return t.At, "changes a destination", true
		}
		if !suspicious(t) {
			continue
		}
		full := e.resolve(t.Text, module)
		if why := e.change(all, i, full); why != "" {
			return t.At, why, true
		}
		if isTable(full) && i > 1 && all[i-1].Is("=") && all[i-2].Kind == script.Name {
			aliases[all[i-2].Text] = true
		}
	}
	return 0, "", false
}

// change says how the name at i changes communication, if it does.
func (e *env) change(all []script.Token, i int, full string) string {
	how, acts := acting[full]
	_, ours := settings[full]
	called := i+1 < len(all) && all[i+1].Is("(")
	declared := i > 0 && (all[i-1].Says("event") || all[i-1].Says("function"))
	switch {
	case acts && called && !declared:
		return how
	case isTable(full) && written(all, i):
		return "changes " + full
	case ours && i+1 < len(all) && assigns(all[i+1]):
		return "sets " + full
	case !ours && ofModule(full) && !e.has(full) && !called && written(all, i):
		return "changes " + full + ", which there is not,"
	}
	return ""
}

func assigns(t script.Token) bool { return t.Is("=") || t.Is("+=") || t.Is("-=") }

// written reports whether what is named at i is changed there: x[y] = , x[y]$z = , x = ,
// add x[y], delete x[y], or f(x), as a function may change what it is given.
func written(all []script.Token, i int) bool {
	if i > 0 && (all[i-1].Says("delete") || all[i-1].Says("add")) || given(all, i) {
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

// given reports whether what is named at i is an argument of a function, by itself.
func given(all []script.Token, i int) bool {
	if i < 2 || i+1 >= len(all) || !all[i-1].Is("(") && !all[i-1].Is(",") || !all[i+1].Is(")") && !all[i+1].Is(",") {
		return false
	}
	depth := 0
	for i--; i > 0; i-- {
		switch {
		case all[i].Is(")"), all[i].Is("]"), all[i].Is("}"):
			depth++
		case all[i].Is("["), all[i].Is("{"):
			if depth--; depth < 0 {
				return false
			}
		case all[i].Is("("):
			if depth--; depth < 0 {
				return all[i-1].Kind == script.Name && !harmless[all[i-1].Text]
			}
		}
	}
	return false
}

// harmless are the words before a parenthesis that change nothing of what is in it.
var harmless = map[string]bool{
	"if": true, "while": true, "switch": true, "return": true, "print": true, "fmt": true, "cat": true, "length": true,
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
