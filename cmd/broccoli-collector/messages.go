package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/romanesco-broccoli/romanesco/internal/printable"
)

// messageOptions are what the command line says of messages.
type messageOptions struct {
	form  string
	level slog.Level
}

func (o *messageOptions) register(f *flag.FlagSet) {
	f.StringVar(&o.form, "messages", "text", "`form` of the messages on standard error: text, or json, an object a line")
	f.TextVar(&o.level, "messages-level", slog.LevelInfo, "the least `level` of messages: DEBUG, INFO, WARN or ERROR")
}

// check refuses forms that there are not.
func (o *messageOptions) check() error {
	if o.form != "text" && o.form != "json" {
		return fmt.Errorf("-messages %q: text or json", o.form)
	}
	return nil
}

// find takes the form from arguments of which some are wrong, wherever it is among
// them: a program that reads messages is to understand what is said of those too.
func (o *messageOptions) find(args []string) {
	for i, arg := range args {
		name, form, given := strings.Cut(arg, "=")
		if name != "-messages" && name != "--messages" {
			continue
		}
		if !given && i+1 < len(args) {
			form = args[i+1]
		}
		o.form = form
	}
}

// logger returns what writes messages. Whatever a peer has put into them, each stays
// on its line and does nothing to a terminal.
func (o *messageOptions) logger(to io.Writer) *slog.Logger {
	if o.form == "json" {
		return slog.New(slog.NewJSONHandler(to, &slog.HandlerOptions{Level: o.level, ReplaceAttr: harmless}))
	}
	return slog.New(&textHandler{to: to, level: o.level})
}

// maxMessage is how much of a message is shown.
const maxMessage = 8 << 10

// oneLine returns text as it may be shown.
func oneLine(text string) string {
	text = strings.ReplaceAll(text, "\n", "; ") // of errors that were joined
	return string(printable.Append(nil, text, maxMessage))
}

// harmless has all text of a message be as it may be shown.
func harmless(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(oneLine(a.Value.String()))
	case slog.KindAny:
		if _, isLevel := a.Value.Any().(slog.Level); !isLevel {
			a.Value = slog.StringValue(oneLine(fmt.Sprint(a.Value.Any())))
		}
	}
	return a
}

// textHandler writes messages for people. They are sentences, and what stands beside
// them says the same again for programs, so that it is left out.
type textHandler struct {
	to    io.Writer
	level slog.Level
}

// Enabled implements slog.Handler.
func (h *textHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

// Handle implements slog.Handler.
func (h *textHandler) Handle(_ context.Context, r slog.Record) error {
	_, err := io.WriteString(h.to, "broccoli-collector: "+oneLine(r.Message)+"\n")
	return err
}

// WithAttrs implements slog.Handler.
func (h *textHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup implements slog.Handler.
func (h *textHandler) WithGroup(string) slog.Handler { return h }

// saying returns what writes messages of a level, for rooms that have nothing to say
// beside them.
func saying(m *slog.Logger, level slog.Level) func(format string, args ...any) {
	return func(format string, args ...any) { m.Log(context.Background(), level, fmt.Sprintf(format, args...)) }
}
