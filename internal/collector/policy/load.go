package policy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	maxFile  = 16 << 20 // bytes
	maxFiles = 1000
	maxLoads = 50 // deep
)

// Load reads files, one after the other, and what they load. Files that come
// later change what earlier ones have set.
func Load(names ...string) (*Policy, error) {
	l := loader{read: readFile, draft: newDraft(), loaded: map[string]bool{}}
	for _, name := range names {
		if err := l.file(name); err != nil {
			return nil, err
		}
	}
	return l.draft.finish()
}

// loader keeps what several files have in common.
type loader struct {
	read   func(path string) ([]byte, error)
	draft  *draft
	loaded map[string]bool
	depth  int
}

// builtins are the scripts that we do not read, because we know what they do.
// Those of Bro 2 have folders before them.
var builtins = map[string]func(*draft, Pos){
	"remote":       func(*draft, Pos) {},
	"listen-clear": func(d *draft, at Pos) { d.clear.loaded = &at },
	"listen-ssl":   func(d *draft, at Pos) { d.ssl.loaded = &at },

	"base/frameworks/communication":          func(*draft, Pos) {},
	"frameworks/communication/listen":        func(d *draft, at Pos) { d.nodes.loaded = &at },
	"policy/frameworks/communication/listen": func(d *draft, at Pos) { d.nodes.loaded = &at },
}

const extension = ".bro"

// load does what "@load name" says in the file that at is in.
func (l *loader) load(name string, at Pos) error {
	if act, ok := builtins[strings.TrimSuffix(name, extension)]; ok {
		act(l.draft, at)
		return nil
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(at.File), path)
	}
	if filepath.Ext(path) != extension {
		path += extension
	}
	if l.depth == maxLoads {
		return &Error{at, fmt.Sprintf("files load each other deeper than %d", maxLoads)}
	}
	l.depth++
	err := l.file(path)
	l.depth--
	var missing *os.PathError
	if errors.As(err, &missing) {
		return &Error{at, fmt.Sprintf("expected remote, listen-clear, listen-ssl or a file beside this one, found %.100q: %v", name, missing)}
	}
	return err
}

// file reads one file, unless it has been read.
func (l *loader) file(path string) error {
	path = filepath.Clean(path)
	if l.loaded[path] {
		return nil
	}
	if len(l.loaded) == maxFiles {
		return fmt.Errorf("%s: more than %d policy files", path, maxFiles)
	}
	l.loaded[path] = true
	text, err := l.read(path)
	if err != nil {
		return err
	}
	p := parser{lexer: lexer{file: file{path, text}}, into: l.draft, load: l.load}
	return p.whole()
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &os.PathError{Op: "reading", Path: path, Err: fmt.Errorf("not a file")}
	}
	if info.Size() > maxFile {
		return nil, &os.PathError{Op: "reading", Path: path, Err: fmt.Errorf("%d bytes, at most %d", info.Size(), maxFile)}
	}
	return os.ReadFile(path)
}
