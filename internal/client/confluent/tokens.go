//go:build cgo

package confluent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"redline/internal/security"
)

const (
	// tokenWithin bounds getting one token.
	tokenWithin = 10 * time.Second
	// tokenLife is for a token that does not say when it ends: librdkafka wants
	// to know, and asks for another at four fifths of it.
	tokenLife = time.Hour
)

// tokens gives librdkafka its tokens (OAUTHBEARER), which it asks for by an event
// and takes from any goroutine. nil is no tokens: another mechanism.
type tokens struct {
	sasl    *security.SASL
	client  tokenClient
	base    context.Context
	end     context.CancelFunc
	getting sync.WaitGroup
}

// tokenClient is a consumer or a producer of librdkafka.
type tokenClient interface {
	SetOAuthBearerToken(kafka.OAuthBearerToken) error
	SetOAuthBearerTokenFailure(string) error
}

func newTokens(s security.Security, client tokenClient) *tokens {
	if s.SASL == nil || s.SASL.Mechanism != security.OAuthBearer {
		return nil
	}
	t := &tokens{sasl: s.SASL, client: client}
	t.base, t.end = context.WithCancel(context.Background())
	return t
}

// first sets the first token, before the first connection is made.
func (t *tokens) first() error {
	if t == nil {
		return nil
	}
	return t.next()
}

// next gets a token and hands it over.
func (t *tokens) next() error {
	ctx, cancel := context.WithTimeout(t.base, tokenWithin)
	defer cancel()
	token, err := t.sasl.FetchToken(ctx)
	if err != nil {
		return err
	}
	if token.Expires.IsZero() {
		token.Expires = time.Now().Add(tokenLife)
	}
	err = t.client.SetOAuthBearerToken(kafka.OAuthBearerToken{
		TokenValue: token.Value.Reveal(), Expiration: token.Expires, Principal: token.Principal, Extensions: token.Extensions,
	})
	if err != nil {
		return &security.CredentialsError{Mechanism: security.OAuthBearer, Err: fmt.Errorf("librdkafka does not take the token: %w", err)}
	}
	return nil
}

// refresh gets the next token beside the caller, who has records to see to. What
// fails is told to librdkafka, which reports it and asks again.
func (t *tokens) refresh() {
	if t == nil || t.base.Err() != nil {
		return
	}
	t.getting.Go(func() {
		if err := t.next(); err != nil && t.base.Err() == nil {
			_ = t.client.SetOAuthBearerTokenFailure(err.Error()) // it fails for a closed client only
		}
	})
}

// close waits until nobody gets a token any more.
func (t *tokens) close() {
	if t == nil {
		return
	}
	t.end()
	t.getting.Wait()
}
