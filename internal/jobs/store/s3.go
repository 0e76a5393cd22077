package store

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // a checksum, which S3 asks for in this form
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const amazonEndpoint = "s3.amazonaws.com"

// bucket is a store in a bucket of S3.
type bucket struct {
	client   *minio.Core
	name     string
	prefix   string // of all keys; "" or with "/" at its end
	readOnly bool
	part     int // partSize, except in tests

	conditions conditions
}

func init() { openers["s3"] = openS3 }

// openS3 opens s3://BUCKET/PREFIX. The query may have endpoint=HOST:PORT and region=NAME, and
// tls=off for a server without TLS. Credentials come from AWS_ACCESS_KEY_ID and
// AWS_SECRET_ACCESS_KEY, the usual file of credentials, or the machine's role.
func openS3(_ context.Context, u *url.URL, o Options) (Store, error) {
	prefix, err := cloudPrefix(u)
	if err != nil {
		return nil, err
	}
	endpoint, region, secure := amazonEndpoint, "", true
	for name, values := range u.Query() {
		switch value := values[len(values)-1]; {
		case name == "endpoint":
			endpoint = value
		case name == "region":
			region = value
		case name == "tls" && value == "off":
			secure = false
		default:
			return nil, fmt.Errorf("%w: %s=%s, expected endpoint=HOST:PORT, region=NAME or tls=off", ErrInvalid, name, value)
		}
	}
	client, err := minio.NewCore(endpoint, &minio.Options{
		Creds:  credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, role()}),
		Secure: secure, Region: region, MaxRetries: 5,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	b := &bucket{client: client, name: u.Host, prefix: prefix, readOnly: o.ReadOnly, part: partSize}
	b.conditions.kept = endpoint == amazonEndpoint
	return b, nil
}

// role gives the credentials of the machine's role. Where there is no such service, asking for it
// would take long, unless the environment says so as for Amazon's own tools.
func role() credentials.Provider {
	if os.Getenv("AWS_EC2_METADATA_DISABLED") == "true" {
		return &credentials.Static{}
	}
	return &credentials.IAM{Client: &http.Client{Timeout: 5 * time.Second}}
}

// cloudPrefix is the prefix of the keys of a store at SCHEME://BUCKET/PREFIX.
func cloudPrefix(u *url.URL) (string, error) {
	prefix := strings.Trim(u.Path, "/")
	switch {
	case u.Host == "":
		return "", fmt.Errorf("%w: expected %s://BUCKET/PREFIX", ErrInvalid, u.Scheme)
	case prefix == "":
		return "", nil
	}
	return prefix + "/", CheckKey(prefix)
}

func (b *bucket) URL() string { return "s3://" + strings.TrimSuffix(b.name+"/"+b.prefix, "/") }

func (b *bucket) Close() error { return nil }

func (b *bucket) Get(ctx context.Context, key string) (io.ReadCloser, Info, error) {
	return b.get(ctx, key, minio.GetObjectOptions{})
}

func (b *bucket) GetRange(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error) {
	var o minio.GetObjectOptions
	if offset < 0 || n < 0 {
		return nil, fmt.Errorf("%s: %w: %d bytes at %d", key, ErrInvalid, n, offset)
	}
	info, err := b.Stat(ctx, key)
	if err != nil {
		return nil, err
	}
	if n = min(n, info.Size-offset); n <= 0 {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	if err := o.SetRange(offset, offset+n-1); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", key, ErrInvalid, err)
	}
	r, _, err := b.get(ctx, key, o)
	return r, err
}

func (b *bucket) get(ctx context.Context, key string, o minio.GetObjectOptions) (io.ReadCloser, Info, error) {
	if err := check(ctx, key); err != nil {
		return nil, Info{}, err
	}
	r, info, _, err := b.client.GetObject(ctx, b.name, b.prefix+key, o)
	if err != nil {
		return nil, Info{}, s3Error(ctx, key, err)
	}
	return &s3Reader{ctx, key, r}, Info{key, info.Size, info.LastModified}, nil
}

// s3Reader classes the errors of reading an object.
type s3Reader struct {
	ctx context.Context
	key string
	io.ReadCloser
}

func (r *s3Reader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = s3Error(r.ctx, r.key, err)
	}
	return n, err
}

func (b *bucket) Stat(ctx context.Context, key string) (Info, error) {
	if err := check(ctx, key); err != nil {
		return Info{}, err
	}
	info, err := b.client.StatObject(ctx, b.name, b.prefix+key, minio.StatObjectOptions{})
	if err != nil {
		return Info{}, s3Error(ctx, key, err)
	}
	return Info{key, info.Size, info.LastModified}, nil
}

func (b *bucket) Put(ctx context.Context, key string, body io.Reader) error {
	return b.put(ctx, key, body, minio.PutObjectOptions{})
}

func (b *bucket) PutIfAbsent(ctx context.Context, key string, body io.Reader) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	if b.readOnly {
		return readOnlyError(key)
	}
	if err := b.checkConditions(ctx); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return b.put(ctx, key, body, ifAbsent())
}

// ifAbsent is the condition that an object must not exist.
func ifAbsent() (o minio.PutObjectOptions) {
	o.SetMatchETagExcept("*")
	return o
}

// put sends small objects at once, and large ones in parts; both can be sent again.
func (b *bucket) put(ctx context.Context, key string, body io.Reader, o minio.PutObjectOptions) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	if b.readOnly {
		return readOnlyError(key)
	}
	o.ContentType = "application/octet-stream"
	// TLS protects what is sent; the checksum is for the way behind it.
	o.DisableContentSha256, o.SendContentMd5 = true, true
	from := &reader{ctx: ctx, from: body}
	start, err := io.ReadAll(io.LimitReader(from, int64(b.part)))
	if err != nil {
		return bodyError(key, err)
	}
	if len(start) == b.part {
		err = b.putParts(ctx, b.prefix+key, start, from, o)
	} else {
		_, err = b.client.Client.PutObject(ctx, b.name, b.prefix+key, bytes.NewReader(start), int64(len(start)), o)
	}
	switch {
	case from.err != nil:
		return bodyError(key, from.err)
	case err != nil:
		return s3Error(ctx, key, err)
	}
	return nil
}

// putParts writes a large object. The client library's own function does not pass on the condition
// that the object must not exist.
func (b *bucket) putParts(ctx context.Context, name string, part []byte, from io.Reader, o minio.PutObjectOptions) (err error) {
	id, err := b.client.NewMultipartUpload(ctx, b.name, name, minio.PutObjectOptions{ContentType: o.ContentType})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			// Also if ctx has ended. A lifecycle rule of the bucket should remove what is left otherwise.
			_ = b.client.AbortMultipartUpload(context.WithoutCancel(ctx), b.name, name, id)
		}
	}()
	var parts []minio.CompletePart
	for n := len(part); n > 0; {
		sum := md5.Sum(part[:n]) //nolint:gosec // a checksum, which S3 asks for in this form
		sent, err := b.client.PutObjectPart(ctx, b.name, name, id, len(parts)+1, bytes.NewReader(part[:n]), int64(n),
			minio.PutObjectPartOptions{Md5Base64: base64.StdEncoding.EncodeToString(sum[:]), DisableContentSha256: true})
		if err != nil {
			return err
		}
		parts = append(parts, minio.CompletePart{PartNumber: sent.PartNumber, ETag: sent.ETag})
		n, err = io.ReadFull(from, part)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
	}
	_, err = b.client.CompleteMultipartUpload(ctx, b.name, name, id, parts, o)
	return err
}

// List is Store.List. Objects of size 0 whose keys end with "/" are directories, and left out.
func (b *bucket) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := checkPrefix(prefix); err != nil {
			yield(Info{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // ends the listing if the caller goes
		for o := range b.client.Client.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: b.prefix + prefix, Recursive: true}) {
			if o.Err != nil {
				yield(Info{}, s3Error(ctx, prefix, o.Err))
				return
			}
			if strings.HasSuffix(o.Key, "/") && o.Size == 0 {
				continue
			}
			info := Info{strings.TrimPrefix(o.Key, b.prefix), o.Size, o.LastModified}
			if !yield(info, CheckKey(info.Key)) {
				return
			}
		}
		if ctx.Err() != nil {
			yield(Info{}, context.Cause(ctx))
		}
	}
}

func (b *bucket) Delete(ctx context.Context, key string) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	if b.readOnly {
		return readOnlyError(key)
	}
	err := b.client.RemoveObject(ctx, b.name, b.prefix+key, minio.RemoveObjectOptions{})
	if err == nil {
		return nil
	}
	if err := s3Error(ctx, key, err); !isNotFound(err) {
		return err
	}
	return nil
}

// s3Error classes an error of a server, or of the way to it.
func s3Error(ctx context.Context, key string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r := minio.ToErrorResponse(err)
	var class error
	switch {
	case r.Code == minio.NoSuchKey, r.Code == minio.NoSuchBucket, r.StatusCode == http.StatusNotFound:
		class = ErrNotFound
	case r.StatusCode == http.StatusPreconditionFailed, r.Code == minio.PreconditionFailed:
		class = ErrExists
	case r.StatusCode == http.StatusForbidden, r.StatusCode == http.StatusUnauthorized, r.Code == minio.AccessDenied:
		class = ErrDenied
	case r.StatusCode == 0, // no answer
		r.StatusCode >= 500, r.StatusCode == http.StatusTooManyRequests, r.StatusCode == http.StatusRequestTimeout,
		r.StatusCode == http.StatusConflict: // another writer of the same object
		class = ErrUnavailable
	default:
		return fmt.Errorf("%s: %w", key, err)
	}
	return fmt.Errorf("%s: %w: %w", key, class, err)
}
