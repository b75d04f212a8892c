package policy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/romanesco-broccoli/romanesco/internal/collector/script"
)

const (
	maxFile  = 16 << 20 // bytes
	maxTotal = 64 << 20 // of all files
	maxFiles = 1000
	maxLoads = 50 // deep

	maxPrefixes = 20
)

// Load reads files, one after the other, and what they load. Files that come later
// change what earlier ones have set.
func Load(names ...string) (*Policy, error) {
	l := newLoader(disk{})
	for _, path := range []string{os.Getenv("BROPATH"), os.Getenv("ZEEKPATH")} {
		l.path = append(l.path, filepath.SplitList(path)...)
	}
	for _, name := range names {
		if err := l.file(name); err != nil {
			return nil, err
		}
	}
	return l.finish()
}

// files is where scripts are read from.
type files interface {
	// kind reports what there is at a path.
	kind(path string) (isFile, isFolder bool)
	// read returns the text, and a name that all paths to the file have in common.
	read(path string) (text, identity string, err error)
	identity(path string) string
}

// loader keeps what several files have in common.
type loader struct {
	files    files
	path     []string // BROPATH
	prefixes []string
	draft    *draft
	env      *env
	loaded   map[string]bool
	unloaded map[string]bool
	done     map[[2]string]bool // what has been loaded from where
	bodies   []*function
	deferred []deferred
	// mentioned says that something may change destinations by another name.
	mentioned bool
	unread    []unread
	skipped   *skipped
	notes     []string
	depth     int
	total     int
}

func newLoader(from files) *loader {
	return &loader{
		files: from, draft: newDraft(), env: newEnv(), loaded: map[string]bool{}, unloaded: map[string]bool{}, done: map[[2]string]bool{},
		skipped: newSkipped(),
	}
}

// finish does what is done when Bro starts, and returns what has come out.
func (l *loader) finish() (*Policy, error) {
	if err := l.start(); err != nil {
		return nil, err
	}
	if err := l.takeOver(); err != nil {
		return nil, err
	}
	p, err := l.draft.finish()
	if err != nil {
		return nil, err
	}
	p.Skipped = l.skipped.places()
	p.Notes = append(l.notes, l.skipped.summary()...)
	return p, nil
}

func (l *loader) note(at Pos, format string, args ...any) {
	if len(l.notes) < maxNotes {
		l.notes = append(l.notes, fmt.Sprintf("%v: %s", at, fmt.Sprintf(format, args...)))
	}
}

const maxNotes = 1000

// extensions of scripts.
var extensions = []string{".bro", ".zeek"}

func bareName(name string) string {
	for _, e := range extensions {
		name = strings.TrimSuffix(name, e)
	}
	return name
}

// load does what "@load name" says in the file that at is in.
func (l *loader) load(name string, at Pos) error {
	bare := bareName(name)
	again := [2]string{filepath.Dir(at.File), bare}
	if l.unloaded[bare] || l.done[again] {
		return nil
	}
	l.done[again] = true
	if err := l.loadOne(name, bare, at); err != nil {
		return err
	}
	for _, prefix := range l.prefixes {
		if path, ok := l.find(prefix+"."+bare, at, true); ok {
			if err := l.deeper(path, at); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *loader) loadOne(name, bare string, at Pos) error {
	act, acts := builtins[bare]
	standard := acts || isStandard(bare)
	path, ok := l.find(name, at, !standard)
	if standard && (!ok || acts && l.isBros(filepath.Dir(at.File))) {
		path, ok = l.ownScript(name, at)
	}
	switch {
	case acts && !ok:
		act(l.draft, l.env, at)
		if strings.HasPrefix(bare, "listen-") {
			return l.load("remote", at)
		}
		return nil
	case standard:
		l.skipped.script(at, bare)
		l.skipped.own[path] = true
	}
	switch {
	case ok: // whatever of it concerns us is not to be lost
		return l.deeper(path, at)
	case standard:
		return nil
	}
	return &Error{Pos: at, Msg: fmt.Sprintf("there is no script %.100q: it is none of Bro's own, and neither beside this file nor in BROPATH (%d folders)", name, len(l.path))}
}

// ownScript returns the file in BROPATH that has the name of one of Bro's own scripts and
// is the site's.
func (l *loader) ownScript(name string, at Pos) (string, bool) {
	if strings.HasPrefix(name, ".") || filepath.IsAbs(name) {
		return "", false
	}
	for _, dir := range l.path {
		path, ok := l.script(filepath.Join(dir, name))
		switch {
		case ok && !l.isBros(dir):
			return path, true
		case ok:
			l.note(at, "%s is one of Bro's own scripts, and is not read", path)
			return "", false
		}
	}
	return "", false
}

// isBros reports whether a folder has Bro's own scripts, or is one of them.
func (l *loader) isBros(dir string) bool {
	for _, first := range []string{"bro.init", "base/init-bare.bro", "base/init-bare.zeek", "../base/init-bare.bro", "../base/init-bare.zeek"} {
		if isFile, _ := l.files.kind(filepath.Join(dir, first)); isFile && filepath.Base(dir) != "site" {
			return true
		}
	}
	return false
}

// deeper reads a file that another one loads.
func (l *loader) deeper(path string, at Pos) error {
	if l.depth == maxLoads {
		return &Error{Pos: at, Msg: fmt.Sprintf("files load each other deeper than %d", maxLoads)}
	}
	l.depth++
	err := l.file(path)
	l.depth--
	var missing *os.PathError
	if errors.As(err, &missing) {
		return &Error{Pos: at, Msg: fmt.Sprintf("loading %.100q: %v", path, missing)}
	}
	return err
}

// find returns the file that a name means: one in BROPATH, as in Bro, and otherwise one
// beside the file that loads it, which Bro finds only where it is started there.
func (l *loader) find(name string, at Pos, everywhere bool) (string, bool) {
	if filepath.IsAbs(name) {
		return l.script(name)
	}
	if everywhere && !strings.HasPrefix(name, ".") {
		for _, dir := range l.path {
			if path, ok := l.script(filepath.Join(dir, name)); ok {
				return path, true
			}
		}
	}
	return l.script(filepath.Join(filepath.Dir(at.File), name))
}

// script returns the file that a path means, without its extension or as a folder.
func (l *loader) script(path string) (string, bool) {
	for _, e := range append(extensions, "") {
		if isFile, _ := l.files.kind(path + e); isFile {
			return path + e, true
		}
	}
	if _, isFolder := l.files.kind(path); isFolder {
		for _, e := range extensions {
			all := filepath.Join(path, "__load__"+e)
			if isFile, _ := l.files.kind(all); isFile {
				return all, true
			}
		}
	}
	return "", false
}

// unload has a script not loaded later.
func (l *loader) unload(name string, at Pos) {
	if path, ok := l.find(name, at, true); ok {
		l.loaded[l.files.identity(path)] = true
		return
	}
	if !strings.HasPrefix(name, ".") {
		l.unloaded[bareName(name)] = true
	}
}

// addPrefixes reads "= a:b" or "+= a:b": with each script "name" those of "a.name" and
// "b.name" are loaded.
func (l *loader) addPrefixes(text string, at Pos) error {
	l.prefixes = append(l.prefixes, strings.FieldsFunc(strings.TrimLeft(text, "+= \t"), func(r rune) bool { return r == ':' })...)
	if len(l.prefixes) > maxPrefixes {
		return &Error{Pos: at, Msg: fmt.Sprintf("more than %d prefixes", maxPrefixes)}
	}
	clear(l.done) // the same name means more files now
	return nil
}

// file reads one file, unless it has been read.
func (l *loader) file(path string) error {
	path = filepath.Clean(path)
	if l.loaded[l.files.identity(path)] {
		return nil
	}
	if len(l.loaded) == maxFiles {
		return fmt.Errorf("%s: more than %d policy files", path, maxFiles)
	}
	text, identity, err := l.files.read(path)
	if err != nil {
		return err
	}
	l.loaded[identity] = true
	if l.total += len(text); l.total > maxTotal {
		return fmt.Errorf("%s: the policy files have more than %d bytes", path, maxTotal)
	}
	r := reader{loader: l, file: script.NewFile(path, text), locals: map[string]*cell{}}
	return r.whole()
}
