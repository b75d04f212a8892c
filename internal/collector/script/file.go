// Package script reads the language of Bro's policy scripts, as it was from Bro 1.5 to
// 2.6: tokens, where statements begin and end, expressions, and the statements of
// functions. It knows nothing of what a script is for. It imports nothing of this
// project.
package script

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// File is the text of a script.
type File struct {
	Name string
	Text string
	// lines are the offsets at which lines begin.
	lines []int
	// holes are what conditions leave out, in order: lexers step over them.
	holes []hole
	// near is the last column that was counted: a line may be as long as the file.
	near struct{ at, line, column int }
}

type hole struct{ from, to int }

const byteOrderMark = "\ufeff"

// NewFile takes a text. A byte order mark at its beginning does not count.
func NewFile(name, text string) *File {
	f := &File{Name: name, Text: strings.TrimPrefix(text, byteOrderMark), lines: []int{0}}
	for i := range len(f.Text) {
		if f.Text[i] == '\n' {
			f.lines = append(f.lines, i+1)
		}
	}
	return f
}

// Pos returns the place of an offset. Columns are in characters.
func (f *File) Pos(at int) Pos {
	line := sort.SearchInts(f.lines, at+1)
	from, column := f.lines[line-1], 1
	if n := &f.near; n.line == line && n.at <= at {
		from, column = n.at, n.column
	}
	column += utf8.RuneCountInString(f.Text[from:at])
	f.near.at, f.near.line, f.near.column = at, line, column
	return Pos{f.Name, line, column}
}

// Fail returns an error at an offset.
func (f *File) Fail(at int, format string, args ...any) error {
	return &Error{f.Pos(at), fmt.Sprintf(format, args...)}
}

// Place is where something stands. Without a file it is in none that has been read.
type Place struct {
	File *File
	At   int
}

// Pos returns the line and column.
func (p Place) Pos() Pos {
	if p.File == nil {
		return Pos{"Bro's own scripts", 1, 1}
	}
	return p.File.Pos(p.At)
}

// Fail returns an error there.
func (p Place) Fail(format string, args ...any) error {
	return &Error{p.Pos(), fmt.Sprintf(format, args...)}
}

// Pos is a place in a file. Lines and columns count from 1.
type Pos struct {
	File         string
	Line, Column int
}

func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// Error is what is wrong with a file, and where.
type Error struct {
	Pos Pos
	Msg string
}

func (e *Error) Error() string { return e.Pos.String() + ": " + e.Msg }
