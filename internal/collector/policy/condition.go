package policy

import (
	"errors"
	"strings"

	"github.com/romanesco-broccoli/romanesco/internal/collector/script"
)

// condition says what an @if, @ifdef or @ifndef is.
func (r *reader) condition(c script.Condition) (script.Truth, error) {
	if c.Directive.Text != "@if" {
		return r.ifDefined(c)
	}
	p, err := r.file.Parse(c.From, c.To)
	if err != nil {
		return script.Unknown, err
	}
	x, err := p.Expr()
	if err != nil {
		return script.Unknown, err
	}
	if t := p.Token(); t.Kind != script.End {
		return script.Unknown, p.Fail("expected a ) behind the condition, found %v", t)
	}
	switch v := r.scope().eval(x).(type) {
	case bool:
		return truth(v), nil
	case unknown:
		r.doubt = v.err
	default:
		r.doubt = r.fail(c.From, "expected T or F as a condition, found %s", describe(v))
	}
	return script.Unknown, nil
}

func truth(is bool) script.Truth {
	if is {
		return script.True
	}
	return script.False
}

func (r *reader) ifDefined(c script.Condition) (script.Truth, error) {
	all, err := tokensOf(r.file, c.From, c.To)
	if err != nil {
		return script.Unknown, err
	}
	if len(all) != 1 || all[0].Kind != script.Name {
		return script.Unknown, r.fail(c.From, "expected a name in the parentheses of %s", c.Directive.Text)
	}
	name := all[0].Text
	is := r.defined(r.env.resolve(name, r.module))
	switch {
	case is == script.Unknown:
		r.doubt = r.fail(c.From, "whether %s is defined depends on scripts that are not read", name)
	case c.Directive.Text == "@ifndef":
		is = truth(is == script.False)
	}
	return is, nil
}

// defined reports whether a name is, by what has been read. What Bro's own scripts
// define is known for what concerns us.
func (r *reader) defined(full string) script.Truth {
	v := r.env.vars[full]
	switch {
	case r.env.maybe[full]:
		return script.Unknown
	case v != nil && v.given, r.env.declared[full]:
		return script.True
	case strings.HasPrefix(full, "listen_") && concerns(full):
		if strings.HasSuffix(full, "_ssl") {
			return truth(r.draft.ssl.loaded != nil)
		}
		return truth(r.draft.clear.loaded != nil)
	case strings.HasPrefix(full, "Remote::"):
		return truth(r.env.bro1)
	case strings.HasPrefix(full, "Communication::"):
		return truth(!r.env.bro1)
	case concerns(full), v != nil, full == "bro_init", full == "zeek_init":
		return script.True
	}
	return script.Unknown
}

// other looks at the branch of an unknown condition that is not read: nothing in it may
// concern us.
func (r *reader) other(from, to int) error {
	text := r.file.Text[:to]
	if i := strings.LastIndexByte(text, '@'); i >= from {
		to = i // the directive that ends it
	}
	all, err := tokensOf(r.file, from, to)
	var lexical *script.Error
	if errors.As(err, &lexical) {
		return err
	}
	for i, t := range all {
		redefines := i > 0 && (all[i-1].Says("redef") || all[i-1].Says("const")) && suspicious(t)
		if redefines && concerns(r.env.resolve(t.Text, r.module)) {
			return r.fail(t.At, "%s is set under a condition that is not known: %v", t.Text, r.doubt)
		}
		if t.Kind == script.Directive && strings.HasPrefix(t.Text, "@load") && !strings.HasPrefix(t.Text, "@load-") && !harmlessScript(strings.TrimLeft(t.Text[len("@load"):], allBlank)) {
			return r.fail(t.At, "this is loaded under a condition that is not known: %v", r.doubt)
		}
	}
	if at, why, ok := r.env.changes(all, r.module); ok {
		return r.fail(at, "this %s under a condition that is not known: %v", why, r.doubt)
	}
	return r.unreadBranch(all, from, to)
}

// unread is the branch of an unknown condition that has something done when Bro starts.
type unread struct {
	scope
	from, to int
	why      error
}

// unreadBranch has all be unknown that the branch would set or declare.
func (r *reader) unreadBranch(all []script.Token, from, to int) error {
	initial := false
	for i, t := range all {
		if t.Kind == script.Directive && strings.HasPrefix(t.Text, "@unload") && !harmlessScript(strings.TrimLeft(t.Text[len("@unload"):], allBlank)) {
			return r.fail(t.At, "this is unloaded under a condition that is not known: %v", r.doubt)
		}
		if t.Kind == script.Directive && strings.HasPrefix(t.Text, "@prefixes") {
			return r.fail(t.At, "prefixes are set under a condition that is not known: %v", r.doubt)
		}
		if i == 0 || t.Kind != script.Name {
			continue
		}
		full := r.env.declare(t.Text, r.module)
		switch all[i-1].Text {
		case "module":
			return r.fail(t.At, "a module begins under a condition that is not known: %v", r.doubt)
		case "function", "hook":
			if f := r.env.functions[full]; f != nil {
				f.doubt = true
			}
			r.env.maybe[full] = true
		case "event":
			initial = initial || t.Text == "bro_init" || t.Text == "zeek_init"
			r.env.maybe[full] = r.env.maybe[full] || !r.env.declared[full]
		case "type", "const", "global", "option":
			r.env.maybe[full] = r.env.maybe[full] || !r.env.has(full)
		}
	}
	u := unread{*r.scope(), from, to, r.doubt}
	u.poison(from, to, u.why)
	if initial {
		r.unread = append(r.unread, u)
	}
	return r.env.exhausted
}
