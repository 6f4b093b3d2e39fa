"""`stack workflow`: a GitHub Actions workflow that publishes an image under tags that never move.

Each push to main publishes `sha-<40 hex>`, `sha-<8 hex>` and `latest`. Stacks deploy the sha tags.
"""

from collections.abc import Mapping
from typing import Any

from podup.cli.context import Context
from podup.core.images import parse_ref
from podup.errors import EXIT_DONE, Invalid

_WORKFLOW = """\
# .github/workflows/docker-build.yml
name: Build and push {name}

on:
  push:
    branches: [main]
  workflow_dispatch: {{}}

concurrency:
  group: ${{{{ github.workflow }}}}-${{{{ github.ref }}}}
  cancel-in-progress: false

jobs:
  build:
    runs-on: ubuntu-latest
    permissions:
      contents: read
      packages: write
    steps:
      - uses: actions/checkout@v4
      - id: version
        run: echo "short=sha-${{GITHUB_SHA::8}}" >> "$GITHUB_OUTPUT"
      - uses: docker/setup-buildx-action@v3
      - uses: docker/login-action@v3
        with:
          registry: {registry}
          username: ${{{{ github.actor }}}}
          password: ${{{{ secrets.GITHUB_TOKEN }}}}
      - uses: docker/build-push-action@v6
        with:
          context: .
          push: true
          tags: |
            {image}:sha-${{{{ github.sha }}}}
            {image}:${{{{ steps.version.outputs.short }}}}
            {image}:latest
          labels: |
            org.opencontainers.image.source=https://github.com/${{{{ github.repository }}}}
            org.opencontainers.image.revision=${{{{ github.sha }}}}
          cache-from: type=gha
          cache-to: type=gha,mode=max

# In the compose file:      image: {image}:${{IMAGE_TAG}}
# In the stack's .env:      IMAGE_TAG=sha-<the first 8 letters of the commit>
"""


def run(args: Mapping[str, Any], context: Context) -> int:
    """Print the workflow for the image."""
    context.out.text(render(args["image"]))
    return EXIT_DONE


def render(image: str) -> str:
    """Return the workflow. Raises Invalid unless `image` is REGISTRY/OWNER/NAME without a tag."""
    ref = parse_ref(image)
    registry, _, name = ref.name.partition("/")
    if ref.tag or ref.digest or "/" not in name or image.count("/") < 2:
        raise Invalid(
            "image-not-plain", f"{image!r} is not REGISTRY/OWNER/NAME", "for example ghcr.io/seisei/www"
        )
    return _WORKFLOW.format(name=name, image=ref.name, registry=registry)
