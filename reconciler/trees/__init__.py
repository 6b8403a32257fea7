"""Two trees and a plan, pure."""
