package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/romanesco-broccoli/romanesco/internal/collector/script"
)

// Skipped is a statement that does not concern us.
type Skipped struct {
	At   Pos
	What string // "event handlers" and the like
	Name string // if it has one
}

// String returns "event handler http_reply" and the like.
func (s Skipped) String() string {
	return strings.TrimSpace(strings.TrimSuffix(s.What, "s") + " " + s.Name)
}

// skipped keeps what was passed over.
type skipped struct {
	all   []Skipped
	files []string
	kinds map[string][]string // of a file, in their order
	count map[[2]string]int   // of a file and a kind
	bros  map[string][]string // Bro's own scripts that a file loads
	own   map[string]bool     // files that are such scripts
}

func newSkipped() *skipped {
	return &skipped{kinds: map[string][]string{}, count: map[[2]string]int{}, bros: map[string][]string{}, own: map[string]bool{}}
}

// maxSkipped is how many are kept with their places; all are counted.
const maxSkipped = 10_000

func (s *skipped) add(f *script.File, what string, st script.Statement) {
	s.known(f.Name)
	key := [2]string{f.Name, what}
	if s.count[key] == 0 {
		s.kinds[f.Name] = append(s.kinds[f.Name], what)
	}
	s.count[key]++
	if len(s.all) < maxSkipped {
		s.all = append(s.all, Skipped{f.Pos(st.From), what, st.Name.Text})
	}
}

// script notes one of Bro's own that is loaded.
func (s *skipped) script(at Pos, name string) {
	s.known(at.File)
	if len(s.bros[at.File]) < maxSkipped {
		s.bros[at.File] = append(s.bros[at.File], name)
	}
	if len(s.all) < maxSkipped {
		s.all = append(s.all, Skipped{at, "scripts", name})
	}
}

func (s *skipped) known(file string) {
	if s.kinds[file] == nil && s.bros[file] == nil {
		s.files = append(s.files, file)
	}
}

// places returns all of them, in the order in which the files were read.
func (s *skipped) places() []Skipped {
	at := map[string]int{}
	for i, name := range s.files {
		at[name] = i
	}
	slices.SortStableFunc(s.all, func(a, b Skipped) int {
		return cmp.Or(cmp.Compare(at[a.At.File], at[b.At.File]), cmp.Compare(a.At.Line, b.At.Line))
	})
	return s.all
}

// summary says for each file once what of it was skipped.
func (s *skipped) summary() (lines []string) {
	for _, file := range s.files {
		if s.own[file] {
			continue
		}
		var parts []string
		total := 0
		for _, what := range s.kinds[file] {
			n := s.count[[2]string{file, what}]
			total += n
			parts = append(parts, number(n, what))
		}
		if total > 0 {
			lines = append(lines, fmt.Sprintf("%s: %s", file, plural(parts, total)))
		}
		if all := s.bros[file]; len(all) > 0 {
			lines = append(lines, fmt.Sprintf("%s: loads scripts of Bro's own, which are skipped: %s", file, few(all)))
		}
	}
	return lines
}

// plural joins "14 event handlers" and "3 functions".
func plural(parts []string, total int) string {
	list := parts[0]
	if n := len(parts); n > 1 {
		list = strings.Join(parts[:n-1], ", ") + " and " + parts[n-1]
	}
	if total == 1 {
		return list + " is not ours, and is skipped"
	}
	return list + " are not ours, and are skipped"
}

func number(n int, what string) string {
	if n == 1 && strings.HasSuffix(what, "s") {
		return "1 " + what[:len(what)-1]
	}
	return fmt.Sprintf("%d %s", n, what)
}

// few keeps a list readable.
func few(all []string) string {
	const most = 20
	if len(all) > most {
		return fmt.Sprintf("%s and %d others", strings.Join(all[:most], ", "), len(all)-most)
	}
	return strings.Join(all, ", ")
}
